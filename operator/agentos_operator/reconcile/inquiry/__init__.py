"""What an AgentDeployment's pods say of themselves when they are asked: their versions, and their MCP servers.

docs/decisions/0037 says why they are asked at all, who is, and what is believed.
"""
