"""Models that answer questions in words, behind any OpenAI-compatible server."""
