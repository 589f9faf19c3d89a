// Package e2e holds the end-to-end tests: the real binaries as processes, real
// foreign peers, and stories told from outside. It has no code of its own;
// package site boots what the tests need.
//
// Run make build first; make test does.
package e2e
