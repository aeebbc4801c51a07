package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

type statsCmd struct {
	Quota int `placeholder:"N" help:"Maximum number of app clients in the pool. Default: app_client_quota of the configuration in force."`
}

// stat is one number, as JSON.
type stat struct {
	// Measure is registrations, app_client_records, pool_app_clients or
	// pool_app_clients_ours.
	Measure string `json:"measure"`
	Profile string `json:"profile,omitempty"`
	State   string `json:"state,omitempty"`
	Count   int    `json:"count"`
	// Limit is the maximum of Count, or 0 if it is not known.
	Limit int `json:"limit,omitempty"`
}

func (c *statsCmd) Run(ctx context.Context, op *operator) error {
	_, sdk, store, err := op.tableOnly(ctx)
	if err != nil {
		return err
	}
	progress := op.progress()
	defer progress.end()
	stats, err := countRegistrations(ctx, store, progress)
	if err != nil {
		return err
	}
	records, err := countRecords(ctx, store, progress)
	if err != nil {
		return err
	}
	stats = append(stats, records...)
	pool, err := c.countPool(ctx, op, sdk, store)
	if err != nil {
		return err
	}
	progress.end()
	stats = append(stats, pool...)
	if op.json {
		return op.writeJSON(stats)
	}
	return writeStats(op, stats)
}

func countRegistrations(ctx context.Context, store *records.Store, progress *progress) ([]stat, error) {
	counts := make(map[stat]int)
	n := 0
	for r, err := range store.ListAllRegistrations(ctx) {
		if err != nil {
			return nil, err
		}
		n++
		progress.updatef("%d clients read", n)
		counts[stat{Measure: "registrations", Profile: r.Profile, State: string(r.State)}]++
	}
	return sorted(counts), nil
}

func countRecords(ctx context.Context, store *records.Store, progress *progress) ([]stat, error) {
	counts := make(map[stat]int)
	n := 0
	for key, err := range store.AppClientKeys(ctx) {
		if err != nil {
			return nil, err
		}
		a, err := store.AppClient(ctx, key)
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n++
		progress.updatef("%d records of app clients read", n)
		if a.Intent() == nil {
			counts[stat{Measure: "app_client_records", Profile: a.Profile, State: string(a.State)}]++
		}
	}
	return sorted(counts), nil
}

func sorted(counts map[stat]int) []stat {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b stat) int {
		return cmp.Or(cmp.Compare(a.Profile, b.Profile), cmp.Compare(a.State, b.State))
	})
	for i := range keys {
		keys[i].Count = counts[keys[i]]
	}
	return keys
}

// countPool counts the app clients of the user pool, if the environment names it.
func (c *statsCmd) countPool(ctx context.Context, op *operator, sdk aws.Config, store *records.Store) ([]stat, error) {
	if op.getenv("USER_POOL_ID") == "" || op.getenv("DEPLOYMENT_ID") == "" {
		op.infof("USER_POOL_ID and DEPLOYMENT_ID are not both set, so the app clients of the pool were not counted")
		return nil, nil
	}
	conf, err := environment.Inventory(op.getenv)
	if err != nil {
		return nil, &environmentError{err}
	}
	apps, err := pool.AppClients(&wire.Parts{Environment: conf, SDK: sdk, Store: store, Now: op.now})
	if err != nil {
		return nil, &environmentError{err}
	}
	ours, all, err := apps.Count(ctx)
	if err != nil {
		return nil, err
	}
	quota := c.Quota
	if current, err := wire.Configuration(conf, store.Configuration(), op.now, slog.New(slog.DiscardHandler)).Get(ctx); err == nil {
		quota = cmp.Or(quota, current.AppClientQuota)
	}
	return []stat{
		{Measure: "pool_app_clients_ours", Count: ours},
		{Measure: "pool_app_clients", Count: all, Limit: quota},
	}, nil
}

// barWidth is the number of characters in the longest bar.
const barWidth = 30

// statHeads are the headings of the measures, in the order of the output.
var statHeads = []struct{ measure, head string }{
	{"registrations", "Clients"},
	{"app_client_records", "App clients in the table"},
	{"pool_app_clients", "App clients in the user pool"},
}

func writeStats(op *operator, stats []stat) error {
	coloured, block := terminal.Coloured(op.out), barBlock()
	ours := 0
	for _, s := range stats {
		if s.Measure == "pool_app_clients_ours" {
			ours = s.Count
		}
	}
	var text strings.Builder
	for _, h := range statHeads {
		rows := slices.DeleteFunc(slices.Clone(stats), func(s stat) bool { return s.Measure != h.measure })
		if h.measure == "pool_app_clients" && len(rows) == 0 {
			continue
		}
		if text.Len() > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintln(&text, terminal.Paint(coloured, terminal.Bold, h.head))
		if len(rows) == 0 {
			fmt.Fprintln(&text, "  none")
			continue
		}
		if h.measure == "pool_app_clients" {
			writePool(&text, rows[0], ours, block, coloured)
			continue
		}
		most := 0
		for _, r := range rows {
			most = max(most, r.Count)
		}
		for _, r := range rows {
			colour := terminal.Faint
			if r.State == string(broker.RegistrationActive) || r.State == string(broker.AppClientReady) {
				colour = terminal.Green
			}
			fmt.Fprintf(&text, "  %-14s  %-9s  %7d  %s\n", clip(plain(r.Profile), 14), r.State, r.Count,
				terminal.Paint(coloured, colour, bar(r.Count, most, block)))
		}
	}
	_, err := fmt.Fprint(op.out, text.String())
	return err
}

// writePool writes how full the pool is.
func writePool(text *strings.Builder, s stat, ours int, block string, coloured bool) {
	colour := terminal.Green
	switch {
	case s.Count*10 >= s.Limit*9:
		colour = terminal.Red
	case s.Count*4 >= s.Limit*3:
		colour = terminal.Yellow
	}
	full := terminal.Paint(coloured, colour, bar(s.Count, s.Limit, block))
	rest := strings.Repeat(".", max(0, barWidth-barLength(s.Count, s.Limit)))
	fmt.Fprintf(text, "  %s%s  %d of %d, %d of them of this deployment\n", full, rest, s.Count, s.Limit, ours)
}

func bar(n, of int, block string) string { return strings.Repeat(block, barLength(n, of)) }

// barLength returns the number of characters in the bar for n, where of is the
// maximum. It is at least one if n is not 0.
func barLength(n, of int) int {
	if n <= 0 || of <= 0 {
		return 0
	}
	return min(max(1, n*barWidth/of), barWidth)
}

// barBlock returns the character for bars, one that the locale can show.
func barBlock() string {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	if strings.Contains(strings.ToUpper(strings.ReplaceAll(locale, "-", "")), "UTF8") {
		return "█"
	}
	return "#"
}
