"""The conformance tests of any installed target.

`pytest --pyargs gradassay.conformance --gradassay-target numpy/float32` runs them. A plugin author's own test file has
the same tests with these two lines.
"""

from gradassay.testing import conformance

test_conformance = conformance()
