package dynamo_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// openConfiguration opens a store in a table of its own, whose requests go
// through a transport made by wrap.
func openConfiguration(t *testing.T, wrap func(post) post) configuration.Store {
	e := dynamodbtest.Endpoint(t)
	return dynamo.New(newClient(e, transport(wrap(send))), newTable(t, e), time.Now).Configuration()
}

func TestConfigurationStore(t *testing.T) {
	for _, way := range []struct {
		name string
		wrap func(post) post
	}{
		{"each request sent once", once},
		{"each request sent twice", twice},
		{"each first reply lost", firstReplyLost},
	} {
		t.Run(way.name, func(t *testing.T) {
			contract.TestConfigurationStore(t, func(t *testing.T) configuration.Store { return openConfiguration(t, way.wrap) })
		})
	}
}

func TestConfigurationFaults(t *testing.T) {
	contract.TestConfigurationFaults(t, func(t *testing.T, f *contract.Fault) configuration.Store {
		return openConfiguration(t, func(p post) post { return faulty(p, f) })
	})
}

// faulty makes all attempts of a request fail if the fault says so.
func faulty(p post, f *contract.Fault) post {
	var point fake.Point
	var fails bool
	return func(r *http.Request, body []byte) (*http.Response, error) {
		if attempt(r) == "1" {
			point, fails = f.Next()
		}
		if !fails {
			return p(r, body)
		}
		if point == fake.ReplyLost {
			if _, err := p(r, body); err != nil {
				return nil, err
			}
		}
		return nil, errReset
	}
}
