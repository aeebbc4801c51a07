// Package fake is test kit: a clock, an in-memory user pool, and ports that fail
// at a chosen call. The in-memory store is package memory, since the development
// server runs on it too.
package fake
