"""The CustomResourceDefinition of a ModelRoute, made from the Structs and the rules: `make crd` writes it down.

`schema` translates msgspec's types into Kubernetes' structural schemas; `resource` has the
parts that are a ModelRoute's own.
"""
