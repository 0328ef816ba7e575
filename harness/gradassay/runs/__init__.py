"""Runs beside each other: two compared, many followed over time, several put together. All of it reads records.

| question | module |
|---|---|
| may the two be compared? | `_fair` |
| what broke, was lost, was fixed, is new? | `_diff`, of what `_told` says |
| what drifted? | `_drift` |
| what is the run of this platform that new ones are held against? | `_baseline` |
| which axis moved the numbers of many runs? | `_attribute`, `_cells`, by the test in `_shift` |
| when did they move? | `_trend`, `_tracked`, by the test in `_steps` |
| what is the largest error known? | `_ratchet` |
| what are the shards of one run, put together? | `_merge` |
"""
