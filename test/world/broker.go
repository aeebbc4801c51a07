package world

import "github.com/dcr-broker/dcr-broker/pkg/broker/usecase"

// Broker has the use cases of one process.
type Broker = usecase.Service

// Parts are what a Broker is assembled of.
type Parts = usecase.Config

// Assemble returns the use cases on these parts.
func Assemble(p Parts) (*Broker, error) { return usecase.New(p) }
