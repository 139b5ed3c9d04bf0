-- agno's tables, version 3.1.10, as agno makes them in an empty schema. Generated:
--     pytest tests/integration/runtime/test_runtime_tables.py --update-golden
CREATE TABLE {schema}.agno_schema_versions (
	table_name VARCHAR NOT NULL,
	version VARCHAR NOT NULL,
	created_at VARCHAR NOT NULL,
	updated_at VARCHAR,
	PRIMARY KEY (table_name)
);
CREATE TABLE {schema}.agno_sessions (
	session_id VARCHAR NOT NULL,
	session_type VARCHAR NOT NULL,
	agent_id VARCHAR,
	team_id VARCHAR,
	workflow_id VARCHAR,
	user_id VARCHAR,
	session_data JSONB,
	agent_data JSONB,
	team_data JSONB,
	workflow_data JSONB,
	metadata JSONB,
	summary JSONB,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	PRIMARY KEY (session_id)
);
CREATE TABLE {schema}.agno_runs (
	run_id VARCHAR NOT NULL,
	session_id VARCHAR NOT NULL,
	run_type VARCHAR NOT NULL,
	agent_id VARCHAR,
	team_id VARCHAR,
	workflow_id VARCHAR,
	user_id VARCHAR,
	parent_run_id VARCHAR,
	status VARCHAR,
	run_index BIGINT,
	run_data JSONB NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	PRIMARY KEY (run_id),
	FOREIGN KEY(session_id) REFERENCES {schema}.agno_sessions (session_id) ON DELETE CASCADE
);
CREATE TABLE {schema}.agno_memories (
	memory_id VARCHAR NOT NULL,
	memory JSONB NOT NULL,
	feedback TEXT,
	input TEXT,
	agent_id VARCHAR,
	team_id VARCHAR,
	user_id VARCHAR,
	topics JSONB,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	PRIMARY KEY (memory_id)
);
CREATE TABLE {schema}.agno_metrics (
	id VARCHAR NOT NULL,
	agent_runs_count BIGINT NOT NULL,
	team_runs_count BIGINT NOT NULL,
	workflow_runs_count BIGINT NOT NULL,
	agent_sessions_count BIGINT NOT NULL,
	team_sessions_count BIGINT NOT NULL,
	workflow_sessions_count BIGINT NOT NULL,
	users_count BIGINT NOT NULL,
	token_metrics JSONB NOT NULL,
	model_metrics JSONB NOT NULL,
	date DATE NOT NULL,
	aggregation_period VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	completed BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT agno_metrics_uq_metrics_user_date_period UNIQUE (user_id, date, aggregation_period)
);
CREATE TABLE {schema}.agno_eval_runs (
	run_id VARCHAR NOT NULL,
	eval_type VARCHAR NOT NULL,
	eval_data JSONB NOT NULL,
	eval_input JSONB NOT NULL,
	name VARCHAR,
	agent_id VARCHAR,
	team_id VARCHAR,
	workflow_id VARCHAR,
	model_id VARCHAR,
	model_provider VARCHAR,
	evaluated_component_name VARCHAR,
	user_id VARCHAR,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	PRIMARY KEY (run_id)
);
CREATE TABLE {schema}.agno_knowledge (
	id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	description TEXT NOT NULL,
	metadata JSONB,
	type VARCHAR,
	size BIGINT,
	linked_to VARCHAR,
	access_count BIGINT,
	status VARCHAR,
	status_message TEXT,
	created_at BIGINT,
	updated_at BIGINT,
	external_id VARCHAR,
	user_id VARCHAR,
	PRIMARY KEY (id)
);
CREATE TABLE {schema}.agno_learnings (
	learning_id VARCHAR NOT NULL,
	learning_type VARCHAR NOT NULL,
	namespace VARCHAR,
	user_id VARCHAR,
	agent_id VARCHAR,
	team_id VARCHAR,
	workflow_id VARCHAR,
	session_id VARCHAR,
	entity_id VARCHAR,
	entity_type VARCHAR,
	content JSONB NOT NULL,
	metadata JSONB,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	PRIMARY KEY (learning_id)
);
CREATE TABLE {schema}.agno_schedules (
	id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	description TEXT,
	method VARCHAR NOT NULL,
	endpoint VARCHAR NOT NULL,
	payload JSONB,
	cron_expr VARCHAR NOT NULL,
	timezone VARCHAR NOT NULL,
	timeout_seconds BIGINT NOT NULL,
	max_retries BIGINT NOT NULL,
	retry_delay_seconds BIGINT NOT NULL,
	enabled BOOLEAN NOT NULL,
	next_run_at BIGINT,
	locked_by VARCHAR,
	locked_at BIGINT,
	user_id VARCHAR,
	managed_by VARCHAR,
	target_type VARCHAR,
	target_id VARCHAR,
	created_by_run_id VARCHAR,
	created_by_session_id VARCHAR,
	updated_by_run_id VARCHAR,
	updated_by_session_id VARCHAR,
	disabled_reason VARCHAR,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	PRIMARY KEY (id)
);
CREATE TABLE {schema}.agno_schedule_runs (
	id VARCHAR NOT NULL,
	schedule_id VARCHAR NOT NULL,
	attempt BIGINT NOT NULL,
	triggered_at BIGINT,
	completed_at BIGINT,
	status VARCHAR NOT NULL,
	status_code BIGINT,
	run_id VARCHAR,
	session_id VARCHAR,
	error TEXT,
	input JSONB,
	output JSONB,
	requirements JSONB,
	user_id VARCHAR,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(schedule_id) REFERENCES {schema}.agno_schedules (id) ON DELETE CASCADE
);
CREATE TABLE {schema}.agno_approvals (
	id VARCHAR NOT NULL,
	run_id VARCHAR NOT NULL,
	session_id VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	source_type VARCHAR NOT NULL,
	approval_type VARCHAR,
	pause_type VARCHAR NOT NULL,
	tool_name VARCHAR,
	tool_args JSONB,
	expires_at BIGINT,
	agent_id VARCHAR,
	team_id VARCHAR,
	workflow_id VARCHAR,
	user_id VARCHAR,
	schedule_id VARCHAR,
	schedule_run_id VARCHAR,
	source_name VARCHAR,
	requirements JSONB,
	context JSONB,
	resolution_data JSONB,
	resolved_by VARCHAR,
	resolved_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	run_status VARCHAR,
	PRIMARY KEY (id)
);
CREATE TABLE {schema}.agno_service_accounts (
	id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	user_id VARCHAR,
	token_hash VARCHAR NOT NULL,
	token_prefix VARCHAR NOT NULL,
	scopes JSONB NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	last_used_at BIGINT,
	revoked_at BIGINT,
	created_by VARCHAR,
	PRIMARY KEY (id),
	UNIQUE (token_hash)
);
CREATE TABLE {schema}.agno_tool_results (
	result_id VARCHAR NOT NULL,
	namespace VARCHAR NOT NULL,
	path VARCHAR NOT NULL,
	session_id VARCHAR NOT NULL,
	run_id VARCHAR NOT NULL,
	tool_call_id VARCHAR NOT NULL,
	tool_name VARCHAR NOT NULL,
	args_hash VARCHAR NOT NULL,
	content_type VARCHAR NOT NULL,
	size_bytes BIGINT NOT NULL,
	line_count BIGINT NOT NULL,
	preview TEXT NOT NULL,
	user_id VARCHAR,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	PRIMARY KEY (result_id),
	CONSTRAINT agno_tool_results_uq_tool_results_namespace_path UNIQUE (namespace, path)
);
CREATE TABLE {schema}.agno_jobs (
	id VARCHAR NOT NULL,
	component_type VARCHAR NOT NULL,
	job_type VARCHAR NOT NULL,
	deployment_id VARCHAR,
	component_id VARCHAR NOT NULL,
	session_id VARCHAR NOT NULL,
	user_id VARCHAR,
	payload JSONB NOT NULL,
	status VARCHAR NOT NULL,
	attempt BIGINT NOT NULL,
	max_attempts BIGINT NOT NULL,
	idempotency_key VARCHAR,
	available_at BIGINT NOT NULL,
	locked_by VARCHAR,
	locked_at BIGINT,
	error TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT,
	completed_at BIGINT,
	PRIMARY KEY (id)
);
CREATE INDEX idx_agno_approvals_agent_id ON {schema}.agno_approvals (agent_id);
CREATE INDEX idx_agno_approvals_approval_type ON {schema}.agno_approvals (approval_type);
CREATE INDEX idx_agno_approvals_created_at ON {schema}.agno_approvals (created_at);
CREATE INDEX idx_agno_approvals_pause_type ON {schema}.agno_approvals (pause_type);
CREATE INDEX idx_agno_approvals_run_id ON {schema}.agno_approvals (run_id);
CREATE INDEX idx_agno_approvals_run_status ON {schema}.agno_approvals (run_status);
CREATE INDEX idx_agno_approvals_schedule_id ON {schema}.agno_approvals (schedule_id);
CREATE INDEX idx_agno_approvals_schedule_run_id ON {schema}.agno_approvals (schedule_run_id);
CREATE INDEX idx_agno_approvals_session_id ON {schema}.agno_approvals (session_id);
CREATE INDEX idx_agno_approvals_source_type ON {schema}.agno_approvals (source_type);
CREATE INDEX idx_agno_approvals_status ON {schema}.agno_approvals (status);
CREATE INDEX idx_agno_approvals_team_id ON {schema}.agno_approvals (team_id);
CREATE INDEX idx_agno_approvals_user_id ON {schema}.agno_approvals (user_id);
CREATE INDEX idx_agno_approvals_workflow_id ON {schema}.agno_approvals (workflow_id);
CREATE INDEX idx_agno_eval_runs_created_at ON {schema}.agno_eval_runs (created_at);
CREATE INDEX idx_agno_eval_runs_user_id ON {schema}.agno_eval_runs (user_id);
CREATE INDEX idx_agno_jobs_component_id ON {schema}.agno_jobs (component_id);
CREATE INDEX idx_agno_jobs_created_at ON {schema}.agno_jobs (created_at);
CREATE INDEX idx_agno_jobs_session_id ON {schema}.agno_jobs (session_id);
CREATE INDEX idx_agno_jobs_status ON {schema}.agno_jobs (status);
CREATE INDEX idx_agno_jobs_status_available_at ON {schema}.agno_jobs (status, available_at);
CREATE INDEX idx_agno_knowledge_user_id ON {schema}.agno_knowledge (user_id);
CREATE INDEX idx_agno_knowledge_user_id_linked_to ON {schema}.agno_knowledge (user_id, linked_to);
CREATE INDEX idx_agno_learnings_agent_id ON {schema}.agno_learnings (agent_id);
CREATE INDEX idx_agno_learnings_created_at ON {schema}.agno_learnings (created_at);
CREATE INDEX idx_agno_learnings_entity_id ON {schema}.agno_learnings (entity_id);
CREATE INDEX idx_agno_learnings_entity_type ON {schema}.agno_learnings (entity_type);
CREATE INDEX idx_agno_learnings_learning_type ON {schema}.agno_learnings (learning_type);
CREATE INDEX idx_agno_learnings_namespace ON {schema}.agno_learnings (namespace);
CREATE INDEX idx_agno_learnings_session_id ON {schema}.agno_learnings (session_id);
CREATE INDEX idx_agno_learnings_team_id ON {schema}.agno_learnings (team_id);
CREATE INDEX idx_agno_learnings_user_id ON {schema}.agno_learnings (user_id);
CREATE INDEX idx_agno_learnings_workflow_id ON {schema}.agno_learnings (workflow_id);
CREATE INDEX idx_agno_memories_created_at ON {schema}.agno_memories (created_at);
CREATE INDEX idx_agno_memories_updated_at ON {schema}.agno_memories (updated_at);
CREATE INDEX idx_agno_memories_user_id ON {schema}.agno_memories (user_id);
CREATE INDEX idx_agno_metrics_date ON {schema}.agno_metrics (date);
CREATE INDEX idx_agno_metrics_user_id ON {schema}.agno_metrics (user_id);
CREATE INDEX idx_agno_runs_agent_id ON {schema}.agno_runs (agent_id);
CREATE INDEX idx_agno_runs_created_at ON {schema}.agno_runs (created_at);
CREATE INDEX idx_agno_runs_run_type ON {schema}.agno_runs (run_type);
CREATE INDEX idx_agno_runs_session_id ON {schema}.agno_runs (session_id);
CREATE INDEX idx_agno_runs_session_id_run_index ON {schema}.agno_runs (session_id, run_index);
CREATE INDEX idx_agno_runs_status ON {schema}.agno_runs (status);
CREATE INDEX idx_agno_runs_team_id ON {schema}.agno_runs (team_id);
CREATE INDEX idx_agno_runs_user_id ON {schema}.agno_runs (user_id);
CREATE INDEX idx_agno_runs_workflow_id ON {schema}.agno_runs (workflow_id);
CREATE INDEX idx_agno_schedule_runs_created_at ON {schema}.agno_schedule_runs (created_at);
CREATE INDEX idx_agno_schedule_runs_schedule_id ON {schema}.agno_schedule_runs (schedule_id);
CREATE INDEX idx_agno_schedule_runs_status ON {schema}.agno_schedule_runs (status);
CREATE INDEX idx_agno_schedule_runs_user_id ON {schema}.agno_schedule_runs (user_id);
CREATE INDEX idx_agno_schedules_created_at ON {schema}.agno_schedules (created_at);
CREATE INDEX idx_agno_schedules_enabled_next_run_at ON {schema}.agno_schedules (enabled, next_run_at);
CREATE INDEX idx_agno_schedules_managed_by ON {schema}.agno_schedules (managed_by);
CREATE INDEX idx_agno_schedules_name ON {schema}.agno_schedules (name);
CREATE INDEX idx_agno_schedules_next_run_at ON {schema}.agno_schedules (next_run_at);
CREATE INDEX idx_agno_schedules_target_id ON {schema}.agno_schedules (target_id);
CREATE INDEX idx_agno_schedules_user_id ON {schema}.agno_schedules (user_id);
CREATE INDEX idx_agno_schedules_user_id_enabled_next_run_at ON {schema}.agno_schedules (user_id, enabled, next_run_at);
CREATE INDEX idx_agno_schema_versions_created_at ON {schema}.agno_schema_versions (created_at);
CREATE INDEX idx_agno_service_accounts_created_at ON {schema}.agno_service_accounts (created_at);
CREATE INDEX idx_agno_service_accounts_token_hash ON {schema}.agno_service_accounts (token_hash);
CREATE INDEX idx_agno_sessions_created_at ON {schema}.agno_sessions (created_at);
CREATE INDEX idx_agno_sessions_session_type ON {schema}.agno_sessions (session_type);
CREATE INDEX idx_agno_tool_results_expires_at ON {schema}.agno_tool_results (expires_at);
CREATE INDEX idx_agno_tool_results_session_id_created_at ON {schema}.agno_tool_results (session_id, created_at);
CREATE UNIQUE INDEX agno_jobs_uq_jobs_idempotency_key ON {schema}.agno_jobs (idempotency_key, user_id) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX agno_jobs_uq_jobs_idempotency_key_anon ON {schema}.agno_jobs (idempotency_key) WHERE idempotency_key IS NOT NULL AND user_id IS NULL;
CREATE UNIQUE INDEX agno_schedules_uq_unowned_name ON {schema}.agno_schedules (name) WHERE user_id IS NULL;
CREATE UNIQUE INDEX agno_schedules_uq_user_name ON {schema}.agno_schedules (user_id, name) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX agno_service_accounts_uq_active_name ON {schema}.agno_service_accounts (name) WHERE revoked_at IS NULL;
INSERT INTO {schema}.agno_schema_versions (table_name, version, created_at, updated_at) VALUES
  ('agno_approvals', '3.0.0', now(), now()),
  ('agno_company_products', '3.0.0', now(), now()),
  ('agno_company_projects', '3.0.0', now(), now()),
  ('agno_company_sources', '3.0.0', now(), now()),
  ('agno_company_tasks', '3.0.0', now(), now()),
  ('agno_components', '3.0.0', now(), now()),
  ('agno_eval_runs', '3.0.0', now(), now()),
  ('agno_jobs', '3.0.0', now(), now()),
  ('agno_knowledge', '3.0.0', now(), now()),
  ('agno_learnings', '3.0.0', now(), now()),
  ('agno_memories', '3.0.0', now(), now()),
  ('agno_metrics', '3.0.0', now(), now()),
  ('agno_runs', '3.0.0', now(), now()),
  ('agno_schedule_runs', '3.0.0', now(), now()),
  ('agno_schedules', '3.0.0', now(), now()),
  ('agno_service_accounts', '3.0.0', now(), now()),
  ('agno_sessions', '3.0.0', now(), now()),
  ('agno_tool_results', '3.0.0', now(), now());
