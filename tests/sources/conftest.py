"""What tests of engines share; their PostgreSQL is in the conftest above."""

import pytest


@pytest.fixture(scope="session")
def connections():
    """Close what workspaces opened; a process that ends does without."""
    from revops_kit.sources import engine

    made, connect = [], engine.connect

    def noting(*words):
        made.append(connect(*words))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "connect", noting)
        yield
    for con in made:
        con.disconnect()
