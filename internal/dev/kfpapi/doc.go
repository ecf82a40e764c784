// Package kfpapi serves the part of KFP's v2beta1 API that the kfp client,
// Metaflow's Deployer and our own commands call, over the interpreter.
// Pipelines, versions and experiments are in kfp.db beside the runs.
package kfpapi
