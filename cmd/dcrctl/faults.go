package main

import (
	"errors"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// faultsOf returns the faults in an error of configuration.Parse.
func faultsOf(err error) []fault {
	parse, ok := errors.AsType[*strict.Error](err)
	if !ok {
		return []fault{{Message: err.Error()}}
	}
	var all []fault
	for _, f := range parse.Faults {
		all = append(all, fault{f.Path, f.Message})
	}
	return all
}

// causeOf returns the reason of a refusal, whose text is for clients.
func causeOf(err error) error {
	if refusal, ok := errors.AsType[*broker.Refusal](err); ok && refusal.Cause != nil {
		return refusal.Cause
	}
	return err
}
