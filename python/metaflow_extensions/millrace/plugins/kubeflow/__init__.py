"""`python flow.py kubeflow-pipelines`: deploy a flow to Kubeflow Pipelines by
the `driver` program, start it, and see how it stands."""
