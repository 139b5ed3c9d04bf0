-- What happened to runs and approvals, written in the transaction in which it happened and kept until it is published.
-- {schema} is replaced; installed by `outbox.py`, read by `agentos_runtime.events`.
CREATE TABLE IF NOT EXISTS {schema}.agentos_runtime_events (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_id UUID NOT NULL,
	deployment TEXT NOT NULL,
	type TEXT NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	data JSONB NOT NULL
);
CREATE INDEX IF NOT EXISTS agentos_runtime_events_of ON {schema}.agentos_runtime_events (deployment, id);
-- One row a deployment; the replica that holds its lock publishes, so that a run's events keep their order.
CREATE TABLE IF NOT EXISTS {schema}.agentos_runtime_publishers (deployment TEXT PRIMARY KEY);

CREATE OR REPLACE FUNCTION {schema}.agentos_runtime_note(
	type TEXT, event_id UUID, at TIMESTAMPTZ, data JSONB
) RETURNS VOID LANGUAGE sql AS $$
	INSERT INTO {schema}.agentos_runtime_events (event_id, deployment, type, at, data)
	VALUES (event_id, current_setting('agentos.deployment'), type, at, jsonb_strip_nulls(data))
$$;

-- The functions ask for changes themselves: a column that a trigger names could not be altered by agno's migrations.
CREATE OR REPLACE FUNCTION {schema}.agentos_runtime_run_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
	ids JSONB;
	kind TEXT := CASE NEW.status
		WHEN 'PAUSED' THEN 'run.paused' WHEN 'COMPLETED' THEN 'run.completed'
		WHEN 'ERROR' THEN 'run.failed' WHEN 'CANCELLED' THEN 'run.cancelled' END;
BEGIN
	IF coalesce(current_setting('agentos.deployment', true), '') = '' THEN
		RETURN NULL; -- written by a deployment without Redis, or by hand
	END IF;
	ids := jsonb_build_object('run_id', NEW.run_id, 'session_id', NEW.session_id, 'agent_id', NEW.agent_id,
		'team_id', NEW.team_id, 'workflow_id', NEW.workflow_id, 'parent_run_id', NEW.parent_run_id,
		'user_id', NEW.user_id);
	-- A run in the foreground is written when it pauses or ends, one in the background while it waits for its turn.
	IF TG_OP = 'INSERT' AND NEW.status IS DISTINCT FROM 'PENDING' THEN
		PERFORM {schema}.agentos_runtime_note('run.started', md5(NEW.run_id || ':run.started')::uuid,
			to_timestamp(NEW.created_at), ids);
	ELSIF TG_OP = 'UPDATE' AND OLD.status = 'PENDING' AND NEW.status IN ('RUNNING', 'PAUSED', 'COMPLETED') THEN
		PERFORM {schema}.agentos_runtime_note('run.started', md5(NEW.run_id || ':run.started')::uuid,
			clock_timestamp(), ids);
	ELSIF NEW.status IS NOT DISTINCT FROM OLD.status AND (kind IS DISTINCT FROM 'run.paused'
		OR jsonb_path_query_array(NEW.run_data, '$.tools[*].tool_call_id')
			= jsonb_path_query_array(OLD.run_data, '$.tools[*].tool_call_id')) THEN
		RETURN NULL; -- nothing new; a run that pauses again waits for another tool call
	END IF;
	IF kind IS NOT NULL THEN
		PERFORM {schema}.agentos_runtime_note(kind, gen_random_uuid(), clock_timestamp(), ids);
	END IF;
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION {schema}.agentos_runtime_approval_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
	kind TEXT := CASE WHEN TG_OP = 'INSERT' THEN 'approval.created' ELSE 'approval.resolved' END;
BEGIN
	IF coalesce(current_setting('agentos.deployment', true), '') = '' THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'UPDATE' AND (NEW.status = OLD.status OR NEW.status = 'pending') THEN
		RETURN NULL;
	END IF;
	PERFORM {schema}.agentos_runtime_note(kind, gen_random_uuid(), clock_timestamp(), jsonb_build_object(
		'approval_id', NEW.id, 'status', NEW.status, 'tool_name', NEW.tool_name, 'expires_at', NEW.expires_at,
		'resolved_by', NEW.resolved_by, 'run_id', NEW.run_id, 'session_id', NEW.session_id, 'agent_id', NEW.agent_id,
		'team_id', NEW.team_id, 'workflow_id', NEW.workflow_id, 'user_id', NEW.user_id));
	RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER agentos_runtime_run_changed AFTER INSERT OR UPDATE ON {schema}.agno_runs
	FOR EACH ROW EXECUTE FUNCTION {schema}.agentos_runtime_run_changed();
CREATE OR REPLACE TRIGGER agentos_runtime_approval_changed AFTER INSERT OR UPDATE ON {schema}.agno_approvals
	FOR EACH ROW EXECUTE FUNCTION {schema}.agentos_runtime_approval_changed();
