"""What holds for every test: how hypothesis searches, and assertions that explain themselves in shared code too."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

# No deadline: a slow machine is no fault of the property. No database: a run depends on its seed alone.
settings.register_profile("cmdexec", deadline=None, database=None, print_blob=True)
settings.load_profile("cmdexec")
