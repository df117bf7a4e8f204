"""The guards around a plugin's code leave the program's own settings alone."""

from __future__ import annotations

import signal

import pytest

from raxe_core.plugin_call import time_limit


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no alarms")
def test_alarm_of_the_program_stays() -> None:
    signal.setitimer(signal.ITIMER_REAL, 3_600)
    try:
        with time_limit(5):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 5
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    with time_limit(5):
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
