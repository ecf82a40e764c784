// Package metadataservice speaks the REST API of Metaflow's metadata service
// over a SQLite file.
package metadataservice
