"""Who is calling: tokens are judged here, before agno sees a request."""
