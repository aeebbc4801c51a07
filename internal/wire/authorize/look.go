package authorize

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/dcr-broker/dcr-broker/internal/endpoint/authorize"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// looks has the look of the pages under the configuration in force.
type looks struct {
	configuration func(context.Context) (*configuration.Configuration, error)
	log           *slog.Logger
	plain         authorize.Look // without a brand, until there is a configuration
	latest        atomic.Pointer[look]
}

// look is a look with the configuration from which it was made.
type look struct {
	from *configuration.Configuration
	authorize.Look
}

func newLooks(p *wire.Parts) (*looks, error) {
	_, host, _ := strings.Cut(p.Environment.Issuer, "://")
	plain, err := pages.New(pages.Brand{Name: host})
	return &looks{configuration: p.Configuration, log: p.Log, plain: authorize.Look{Pages: plain}}, err
}

// now returns the current look. Without a configuration it has no brand.
func (l *looks) now(ctx context.Context) authorize.Look {
	conf, err := l.configuration(ctx)
	if err != nil {
		return l.plain // the flow reports the error
	}
	if latest := l.latest.Load(); latest != nil && latest.from == conf {
		return latest.Look
	}
	branded, err := pages.New(pages.Brand{
		Name: conf.Branding.Name, Accent: conf.Branding.Accent, Logo: conf.Branding.Logo, Contact: conf.SupportContact,
	})
	if err != nil {
		l.log.ErrorContext(ctx, "branding not usable", "error", err)
		branded = l.plain.Pages
	}
	made := &look{conf, authorize.Look{Pages: branded, ScopeDescriptions: conf.ScopeDescriptions()}}
	l.latest.Store(made)
	return made.Look
}
