"""Human approvals: what a paused call may be decided by, who may decide, and that it runs once.

A caller says only what was decided. The call itself, its name and its arguments, always comes from the stored run.
"""
