// Package configure is a use case: it stores configuration documents. A
// [Writer] checks a document, stores it as the next version, and restores an
// older version. [Difference] compares two documents for people.
//
// It leaves out reading the configuration in force (package configuration) and
// what a new configuration means for clients and app clients.
package configure
