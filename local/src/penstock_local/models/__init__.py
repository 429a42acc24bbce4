"""A real chat model and a real embedding model on a laptop: no key, no hub, no GPU, only packages.

They are small (135M and 23M parameters): for trying streams, not for good answers. Each is
served by llama.cpp's own OpenAI-compatible server in a child process of `penstock dev`: a crash
in native code then ends one model only, and this package needs no HTTP server. One process for both was
rejected: the second costs no code, only a word on the command line.

Must not depend on routes, queues or the gateway: to them this is one more OpenAI-compatible base URL.
"""
