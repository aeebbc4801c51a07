package wire

import (
	"log/slog"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/environment"
)

// A value of the clock that all parts get has no monotonic reading, which would
// stand still while Lambda has the process frozen.
func TestTheClockOfAllPartsIsTheWallClock(t *testing.T) {
	p, err := New(new(environment.Environment), aws.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if now := p.Now(); now != now.Round(0) {
		t.Errorf("Now() = %v, want it without a monotonic reading", now)
	}
}
