"""The layers around agno's application, each one ASGI in and ASGI out."""
