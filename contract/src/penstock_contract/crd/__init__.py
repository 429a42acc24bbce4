"""The CustomResourceDefinition of a ModelRoute, made from the Structs and the rules: `make crd` writes it down.

`schema` knows msgspec and Kubernetes' structural schemas, `resource` what a ModelRoute's is about.
"""
