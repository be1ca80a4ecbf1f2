"""Text as kubectl reads it: YAML by Go's rules, and JSON. The command and the embedded API server read by it.

`documents` finds the documents of a file, `values` makes values of `events`, `scalars` says what a scalar means. Pure; nothing here knows what
a Flow is. Source of the rules: sigs.k8s.io/yaml 1.6 and its goyaml.v2, as kubectl 1.36 has them; a test asks kubectl itself.
"""
