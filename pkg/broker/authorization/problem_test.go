package authorization

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// The page says that the limit is reached only if it is: a long RetryAfter alone
// does not.
func TestProvisionProblem(t *testing.T) {
	refused := &dcr.Error{Code: dcr.Unavailable, Description: "not now", RetryAfter: time.Hour}
	for _, tt := range []struct {
		name string
		err  error
		want ProblemKind
	}{
		{"no such client", fmt.Errorf("client: %w", broker.ErrNotFound), UnknownClient},
		{"a fault", errors.New("cause"), Busy},
		{"a refusal", refused, Busy},
		{"limit of app clients", fmt.Errorf("%w: %w", refused, broker.ErrAppClientLimit), Full},
		{"limit of branding styles", errors.Join(refused, broker.ErrBrandingLimit), StylesUsedUp},
	} {
		p := provisionProblem(tt.err)
		if p.Kind != tt.want || !errors.Is(p.Cause, tt.err) {
			t.Errorf("%s: kind %v, cause %v; want %v", tt.name, p.Kind, p.Cause, tt.want)
		}
		if _, ok := errors.AsType[*dcr.Error](tt.err); ok && p.RetryAfter != time.Hour {
			t.Errorf("%s: RetryAfter = %s, want 1h", tt.name, p.RetryAfter)
		}
	}
}
