"""Both ends' plumbing, once: safe settings for listening and for calling, and the life of a socket."""
