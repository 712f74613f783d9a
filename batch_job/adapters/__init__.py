"""The only room that talks to the outside; each module implements a port."""
