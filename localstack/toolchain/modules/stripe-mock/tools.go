//go:build tools

// Package tools names the command that this module builds, so that go.mod keeps what it needs.
package tools

import _ "github.com/stripe/stripe-mock"
