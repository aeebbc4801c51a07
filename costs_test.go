package dcrbroker

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/test/must"
)

var updateCosts = flag.Bool("update-costs", false, "write the table of docs/costs.md")

const costsDocument = "docs/costs.md"

// sizes is the number of columns of the estimate, each for a number of
// registrations in a month.
const sizes = 3

// costs has the tables of docs/costs.md from which the estimate is computed.
type costs struct {
	events    map[string][]float64 // events in a month, for each size
	each      map[string]effort
	prices    map[string]float64 // price of one unit
	resources map[string]float64 // number of resources, the same for each size
}

// effort has the resources that one event uses.
type effort struct {
	functions                    string
	mb, requests, ms, wru, rru   float64
	logged, sent, stored, forAll float64 // kB; days
}

// The estimate follows from the tables below it.
func TestCosts(t *testing.T) {
	text := must.ReadFile(t, costsDocument)
	c := readCosts(t, string(text))
	const begin, end = "writes what follows -->\n", "<!-- go test -run TestCosts -update-costs . wrote"
	before, rest, ok := strings.Cut(string(text), begin)
	written, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", costsDocument)
	}
	want := c.table()
	if *updateCosts {
		if err := os.WriteFile(costsDocument, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written != want {
		t.Errorf("%s has\n%s\nwant\n%s\ngo test -run TestCosts -update-costs . writes it", costsDocument, written, want)
	}
}

// The assumptions agree with template.yaml.
func TestCostsAgreeWithTheTemplate(t *testing.T) {
	text := must.ReadFile(t, costsDocument)
	c := readCosts(t, string(text))
	b := must.ReadFile(t, "template.yaml")
	template := string(b)
	for event, e := range c.each {
		for function := range strings.SplitSeq(e.functions, ", ") {
			id := strings.ToUpper(function[:1]) + function[1:] + "Function"
			m := regexp.MustCompile(`(?s)\n  ` + id + `:\n.*?MemorySize: (\d+)`).FindStringSubmatch(template)
			if m == nil || m[1] != strconv.Itoa(int(e.mb)) {
				t.Errorf("%s: %s has %v MB, which differs from the template (%v)", event, function, e.mb, m)
			}
		}
	}
	watched := 0
	for _, resource := range regexp.MustCompile(`\n  [A-Z]\w+:\n`).Split(template, -1) {
		if strings.Contains(resource, "Type: AWS::CloudWatch::Alarm\n") {
			watched += strings.Count(resource, "MetricName:")
		}
	}
	if float64(watched) != c.resources["alarm"] {
		t.Errorf("alarms watch %d metrics in the template, and %v in the table", watched, c.resources["alarm"])
	}
	c.resources["secret"] += c.resources["edge-secret"]
	for kind, name := range map[string]string{"dashboard": "AWS::CloudWatch::Dashboard", "secret": "AWS::SecretsManager::Secret", "waf-acl": "AWS::WAFv2::WebACL"} {
		if n := strings.Count(template, "Type: "+name+"\n"); float64(n) != c.resources[kind] {
			t.Errorf("%d of %s in the template, and %v in the tables", n, name, c.resources[kind])
		}
	}
	if !strings.Contains(template, "Default: rate(1 hour)\n") || c.events["janitor"][0] != 30*24 {
		t.Errorf("the janitor runs %v times, want every hour", c.events["janitor"][0])
	}
	// Metrics with dimensions count once for each combination of values.
	if n := float64(len(telemetry.All)); c.resources["metric"] < n {
		t.Errorf("%v metrics in the table, want at least the %v of the code", c.resources["metric"], n)
	}
}

// table returns the table of the estimate.
func (c *costs) table() string {
	var b strings.Builder
	b.WriteString("\n| | 1,000 registrations | 100,000 | 10,000,000 |\n|---|--:|--:|--:|\n")
	var total, edge [sizes]float64
	row := func(name, price string, of func(size int) float64, sums ...*[sizes]float64) {
		fmt.Fprintf(&b, "| %s |", name)
		for i := range sizes {
			q := of(i)
			cost := q * c.price(price)
			for _, s := range sums {
				s[i] += cost
			}
			fmt.Fprintf(&b, " %s: $%s |", grouped(q), money(cost))
		}
		b.WriteString("\n")
	}
	sum := func(name string, of [sizes]float64) {
		fmt.Fprintf(&b, "| **%s** |", name)
		for i := range sizes {
			fmt.Fprintf(&b, " **$%s** |", money(of[i]))
		}
		b.WriteString("\n")
	}
	// all sums f over the events of a month.
	all := func(f func(effort) float64) func(int) float64 {
		return func(i int) float64 {
			n := 0.0
			for _, event := range slices.Sorted(maps.Keys(c.each)) {
				n += c.events[event][i] * f(c.each[event])
			}
			return n
		}
	}
	const kBinGB = 1e6
	requests := all(func(e effort) float64 { return e.requests })
	janitor := func(i int) float64 { return c.events["janitor"][i] }
	resources := func(kind string) func(int) float64 { return func(int) float64 { return c.resources[kind] } }

	row("API Gateway, requests", "api-request", requests, &total)
	row("Lambda, requests", "lambda-request", func(i int) float64 { return requests(i) + janitor(i) }, &total)
	row("Lambda, GB-seconds", "lambda-gb-second", all(func(e effort) float64 { return e.mb / 1024 * e.ms / 1000 }), &total)
	row("DynamoDB, write request units", "wru", all(func(e effort) float64 { return e.wru }), &total)
	row("DynamoDB, read request units", "rru", all(func(e effort) float64 { return e.rru }), &total)
	row("DynamoDB, GB stored, with point-in-time recovery", "stored", all(func(e effort) float64 { return e.stored * e.forAll / 30 / kBinGB }), &total)
	row("CloudWatch, GB of logs", "logged", all(func(e effort) float64 { return e.logged / kBinGB }), &total)
	row("CloudWatch, metrics", "metric", resources("metric"), &total)
	row("CloudWatch, metrics that alarms watch", "alarm", resources("alarm"), &total)
	row("CloudWatch, dashboard", "dashboard", resources("dashboard"), &total)
	row("Secrets Manager, secret", "secret", resources("secret"), &total)
	row("Secrets Manager, requests", "secret-request", func(i int) float64 { return c.events["secret-request"][i] }, &total)
	row("GB sent", "sent", all(func(e effort) float64 { return e.sent / kBinGB }), &total)
	sum("The broker", total)
	row("CloudFront, requests", "edge-request", requests, &edge)
	row("Secrets Manager, the edge's secret", "edge-secret", resources("edge-secret"), &edge)
	row("Secrets Manager, requests for it", "secret-request", func(i int) float64 { return c.events["secret-request"][i] }, &edge)
	row("WAF, requests", "waf-request", requests, &edge)
	row("WAF, ACL", "waf-acl", resources("waf-acl"), &edge)
	row("WAF, rules", "waf-rule", resources("waf-rule"), &edge)
	sum("EdgeProtection, if it is on", edge)
	var users [sizes]float64
	row("Cognito, users above 10,000 on Essentials", "user", func(i int) float64 { return max(0, c.events["user"][i]-10_000) }, &users)
	b.WriteString("\n")
	return b.String()
}

func (c *costs) price(name string) float64 {
	p, ok := c.prices[name]
	if !ok {
		panic("no price of " + name)
	}
	return p
}

// readCosts reads the rows that begin with a name in code format. The first
// cell of a table's header says which table it is.
func readCosts(t *testing.T, text string) *costs {
	t.Helper()
	c := &costs{make(map[string][]float64), make(map[string]effort), make(map[string]float64), make(map[string]float64)}
	table := ""
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			table = ""
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if table == "" {
			table = cells[0]
			continue
		}
		name := strings.Trim(cells[0], "`")
		if name == cells[0] {
			continue
		}
		number := func(i int) float64 {
			n, err := strconv.ParseFloat(strings.ReplaceAll(cells[i], ",", ""), 64)
			if err != nil {
				t.Fatalf("%s: %s: %v", costsDocument, name, err)
			}
			return n
		}
		switch table {
		case "in a month":
			c.events[name] = []float64{number(1), number(2), number(3)}
		case "each":
			c.each[name] = effort{cells[1], number(2), number(3), number(4), number(5), number(6), number(7), number(8), number(9), number(10)}
		case "what":
			c.prices[name] = number(1) / number(2)
		case "there are":
			c.resources[name] = number(1)
		default:
			t.Errorf("%s: %s is in an unknown table that begins with %q", costsDocument, name, table)
		}
	}
	if len(c.events) == 0 || len(c.each) == 0 || len(c.prices) == 0 || len(c.resources) == 0 {
		t.Fatalf("%s lacks a table: %+v", costsDocument, c)
	}
	for event := range c.each {
		if c.events[event] == nil {
			t.Fatalf("%s does not have the number of %s in a month", costsDocument, event)
		}
	}
	return c
}

// money formats amounts below 100 with cents, and others as whole dollars.
func money(dollars float64) string {
	if dollars < 100 {
		return strconv.FormatFloat(dollars, 'f', 2, 64)
	}
	return grouped(dollars)
}

// grouped formats n with commas, and small numbers with two significant digits.
func grouped(n float64) string {
	if n > 0 && n < 100 && n != math.Trunc(n) {
		return strconv.FormatFloat(n, 'g', 2, 64)
	}
	s := strconv.FormatInt(int64(math.Round(n)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
