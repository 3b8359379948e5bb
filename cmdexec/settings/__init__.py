"""Settings: each declared once as data, loaded once at start into one frozen object a side.

`load(ServerSettings)` is the whole interface; see `cmdexec.settings.load`.
"""
