// Package configuration is a value: the configuration document of a deployment,
// which has everything that is not wiring. It parses and checks a document
// ([Parse]), and it has the configuration in force ([Current]), which is the
// newest of the stored versions ([Reader], [Store]).
//
// It leaves out the settings that connect the functions with AWS: those are
// environment variables.
package configuration
