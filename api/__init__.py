"""The HTTP façade: command and query routers, sign-in, and refusals as problems."""
