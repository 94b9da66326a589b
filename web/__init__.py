"""The operator's page: a process of its own that can ask the daemon for a short list of things.

`loopback` says where it listens and who may ask, `upstream` holds the link to the daemon, `state`
what is known, `viewer` what a page is told, `app` the routes, `server` the process's life;
`hardened` repairs the HTTP server. The page itself is built from `page/` into `static/`.
"""
