package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	usecase "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
)

// compare shows how the document differs from the version in force, and which
// clients and grants it cuts off. It reports whether the newest version has this
// document and is in force.
func (w *writer) compare(ctx context.Context, name string, body []byte, after *configuration.Configuration) (unchanged bool, err error) {
	newest := w.newest()
	now, err := w.stored.inForce(ctx)
	switch {
	case err != nil:
		return false, err
	case newest.Number == 0:
		fmt.Fprintf(w.view, "The table has no configuration yet. %s has %s.\n", plain(name), plain(summary(after, len(body))))
		return false, nil
	case now.version == newest && newest.Digest == configuration.Digest(body):
		return true, nil
	}
	for _, line := range now.unusableLines(w.stored) {
		w.op.infof("%s", line)
	}
	if now.conf == nil {
		fmt.Fprintf(w.view, "No stored version can be used, so there is nothing to compare with. %s has %s.\n", plain(name), plain(summary(after, len(body))))
	} else if err := w.showDifference(ctx, now.version, name, body); err != nil {
		return false, err
	}
	return false, w.showImpact(ctx, now.conf, after)
}

// showDifference shows how the document differs from that of a version.
func (w *writer) showDifference(ctx context.Context, v configuration.Version, name string, body []byte) error {
	document, err := configuration.ReadDocument(ctx, w.reader, v)
	if err != nil {
		return err
	}
	changes, err := configure.Difference(document, body)
	if err != nil {
		return err
	}
	if changes != nil {
		w.done.Changes = changes
	}
	fmt.Fprintf(w.view, "Version %d, compared with %s:\n", v.Number, plain(name))
	writeChanges(w.view, changes)
	switch {
	case v.Digest == configuration.Digest(body):
		fmt.Fprintln(w.view, "Both are the same.")
	case len(changes) == 0:
		fmt.Fprintln(w.view, "Both say the same and are written in another way.")
	}
	return nil
}

func (w *writer) showImpact(ctx context.Context, before, after *configuration.Configuration) error {
	if w.SkipImpact {
		fmt.Fprintln(w.view, "Clients and grants were not counted (--skip-impact).")
		return nil
	}
	progress := w.op.progress()
	impact, err := usecase.ImpactOf(ctx, w.table, before, after, w.stored.deployment.Mode, w.op.now(), func(i *usecase.Impact) {
		progress.updatef("%s and %s read", plural(i.Registrations, "registration", "registrations"), plural(i.Grants, "grant", "grants"))
	})
	progress.end()
	if err != nil {
		return fmt.Errorf("%w; --skip-impact does not count clients and grants", err)
	}
	w.done.Impact = &impact
	writeImpact(w.view, impact)
	return nil
}

// inForce is the version in force.
type inForce struct {
	// version is the newest version that this program can use, and conf its
	// configuration. If it can use none, they are zero.
	version configuration.Version
	conf    *configuration.Configuration
	// unusable is why newer versions cannot be used, by number.
	unusable map[int]error
}

// inForce returns the version in force.
func (s *stored) inForce(ctx context.Context) (inForce, error) {
	now := inForce{unusable: make(map[int]error)}
	for _, v := range s.versions {
		conf, err := configuration.Load(ctx, s.reader, v, s.deployment)
		e, bad := errors.AsType[*configuration.VersionError](err)
		switch {
		case bad:
			now.unusable[v.Number] = e.Reason
		case err != nil:
			return now, err
		default:
			now.version, now.conf = v, conf
			return now, nil
		}
	}
	return now, nil
}

// unusableLines says of each version that is newer than the one in force why it
// cannot be used.
func (now inForce) unusableLines(s *stored) []string {
	var lines []string
	for _, v := range s.versions {
		err := now.unusable[v.Number]
		if err == nil {
			continue
		}
		line := fmt.Sprintf("version %d cannot be used: %s", v.Number, oneLine(reason(err)))
		if now.version.Number != 0 {
			line += fmt.Sprintf("; version %d is in force", now.version.Number)
		}
		lines = append(lines, line)
	}
	return lines
}
