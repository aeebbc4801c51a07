package preflight

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// configuration checks the configuration in force, which the checks after it
// need.
func (r *run) configuration(ctx context.Context) {
	const id = "configuration"
	file := r.Environment.ConfigurationFile
	if !r.tableUsable && file == "" {
		return
	}
	table := dynamo.New(r.dynamo, r.Environment.Table, clock.Now).Configuration()
	conf, err := wire.Configuration(r.Environment, table, clock.Now, slog.New(slog.DiscardHandler)).Get(ctx)
	if refusal, ok := errors.AsType[*broker.Refusal](err); ok {
		err = refusal.Cause // the text of the refusal is for clients
	}
	if err != nil {
		do := "store one: dcrctl config apply FILE; dcrctl config history lists the versions"
		if file != "" {
			do = "correct the file that CONFIGURATION names; dcrctl config lint reports every fault"
		}
		r.failed(id, err.Error(), do)
		return
	}
	r.conf = conf
	where := "the file " + file
	if file == "" {
		where = fmt.Sprintf("version %d", conf.Version)
	}
	r.ok(id, fmt.Sprintf("%s, with profiles %s", where, strings.Join(conf.Policy.Profiles(), ", ")))
	if file == "" {
		r.newerVersions(ctx, table)
	}
	if _, open := conf.Policy.Open(); !open {
		r.warn("configuration.open", "open registration is off: well-known clients need an initial access token, which few of them can send", "no change, if this is intended")
	}
}

// newerVersions warns of versions that are newer than the one in force, because
// they cannot be used.
func (r *run) newerVersions(ctx context.Context, table configuration.Reader) {
	const id = "configuration.newest"
	versions, err := table.Versions(ctx)
	if err != nil {
		r.callFailed(id, "dynamodb:GetItem", err)
		return
	}
	for _, v := range versions {
		if v.Number <= r.conf.Version {
			return
		}
		if _, err := configuration.Load(ctx, table, v, r.Environment.Deployment()); err != nil {
			r.warn(id, fmt.Sprintf("%v; version %d stays in force", err, r.conf.Version),
				"store a document that can be used: dcrctl config apply or config rollback; if its schema is newer, update the broker")
		}
	}
}
