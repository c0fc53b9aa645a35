"""What a teacher or a maintainer runs; never part of a chapter's own lesson."""

import sys

# nbformat loads jsonschema, and that would build a grammar of international web addresses, which takes as long as all
# the rest of it together (https://github.com/python-jsonschema/jsonschema/issues/1428). No notebook holds such an
# address to be checked; without the grammar, jsonschema leaves this one check out.
sys.modules.setdefault("rfc3987_syntax", None)
