// Package kfp speaks Kubeflow Pipelines' REST API v2beta1: the few calls that
// deploying, starting and watching a run need, by hand, since KFP's own Go
// module drags in half of Kubernetes.
//
// Only requests that a server may see twice without harm are repeated: GETs,
// and any request whose connection was never made.
package kfp
