//go:build tools

// Package tools names the programs that the image builds, so that go.mod and go.sum pin them and all they are made of.
package tools

import (
	_ "github.com/minio/mc"
	_ "github.com/minio/minio"
)
