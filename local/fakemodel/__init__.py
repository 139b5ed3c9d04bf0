"""A scripted model behind the OpenAI chat-completions protocol, for the quick start, the tests and the bench.

It keeps no state and holds no randomness: the answer follows from the messages of the request alone, so that
parallel tests cannot disturb each other and a failed one can be repeated with curl. The last user message is
the script:

    call <function> <json arguments>    asks for that tool, one call per line; the result is then echoed
    history                             lists the user messages before this one
    fail <status>                       answers with that HTTP status and OpenAI's error body
    wait <seconds> [text]               spreads the answer over so many seconds
    think <seconds> [text]              is silent for so many seconds, then answers at once
    break [text]                        streams half of the answer, then drops the connection
    count <n>                           answers with n words, one chunk each
    anything else                       is repeated

`POST /v1/embeddings` makes vectors in which texts with words in common are near each other.

Run it as `python -m local.fakemodel --port 8080` from a checkout. In an image, copy this directory anywhere
on the import path and run `python -m fakemodel --host 0.0.0.0 --port 8080`: uvicorn is its only dependency,
so the runtime's image plus this directory is enough. `GET /health` answers 200 when it serves.
"""
