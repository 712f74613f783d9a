"""The stack, as a CDK app: ``cdk.json`` runs ``python -m infra.app``."""
