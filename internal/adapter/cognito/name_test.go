package cognito

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const marker = "abcdefghijklmnopqrstuvwxyz"

func TestAppClientName(t *testing.T) {
	long := strings.Repeat("d", 32)
	tests := []struct {
		clientName, deployment string
		want                   string // without marker
	}{
		{"Claude Code (my-server)", "prod", "Claude Code -my-server- dcr@prod."},
		{"", "prod", "client dcr@prod."},
		{"日本語", "prod", "client dcr@prod."},     // no character is in the safe subset
		{"...---", "prod", "client dcr@prod."},  // no letter or digit
		{"Café 2", "prod", "Caf- 2 dcr@prod."},  // only the ASCII part of \w
		{"a\t\n b ", "prod", "a b dcr@prod."},   // \s includes line breaks, which become spaces
		{"a\xff\x00b", "prod", "a-b dcr@prod."}, // not UTF-8
		{"x dcr@prod." + strings.Repeat("b", 26), "prod", "x dcr-prod." + strings.Repeat("b", 26) + " dcr@prod."}, // imitates the broker's mark
		{strings.Repeat("n", 300), long, strings.Repeat("n", 64) + " dcr@" + long + "."},                          // the longest name
		{strings.Repeat("n", 63) + " nn", long, strings.Repeat("n", 63) + " dcr@" + long + "."},                   // cut at a space
	}
	for _, tt := range tests {
		got := appClientName(tt.clientName, tt.deployment, marker)
		if want := tt.want + marker; got != want {
			t.Errorf("appClientName(%q, %q) = %q, want %q", tt.clientName, tt.deployment, got, want)
		}
		if len(got) > 128 {
			t.Errorf("appClientName(%q, %q) has %d characters, want at most 128", tt.clientName, tt.deployment, len(got))
		}
	}
}

func TestParseMarker(t *testing.T) {
	other := strings.Repeat("b", 26)
	tests := []struct {
		name                   string
		wantDeployment, wantID string // both empty: not ours
	}{
		{"x dcr@prod." + marker, "prod", marker},
		{"x dcr@dep." + other + " dcr@prod." + marker, "prod", marker}, // the last one counts
		{"x dcr@prod." + marker + " dcr@dep", "", ""},                  // only the last one counts
		{"x dcr@prod." + marker + " ", "", ""},
		{"x dcr@prod." + marker[1:], "", ""},
		{"x dcr@prod." + strings.ToUpper(marker), "", ""},
		{"x dcr@Prod." + marker, "", ""},
		{"x dcr@." + marker, "", ""},
		{"x dcr@" + strings.Repeat("d", 33) + "." + marker, "", ""},
		{"x dcr@a.b." + marker, "", ""},
		{"xdcr@prod." + marker, "", ""}, // no space before the mark
		{"x dcr@prod." + marker + "\n", "", ""},
		{"my app client", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		deployment, id, ok := parseMarker(tt.name)
		if deployment != tt.wantDeployment || id != tt.wantID || ok != (tt.wantID != "") {
			t.Errorf("parseMarker(%q) = %q, %q, %t, want %q, %q", tt.name, deployment, id, ok, tt.wantDeployment, tt.wantID)
		}
	}
}

// safeName is the part of Cognito's [\w\s+=,.@-]+ that is the same in every
// definition of \w and \s.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_ +=,.@-]{1,128}$`)

func FuzzAppClientName(f *testing.F) {
	f.Add("Claude Code (my-server)", "prod", marker)
	f.Add("x dcr@dep.abc", "dep", marker)
	f.Add("dcrdcr@@prod."+marker, "prod", "22222222222222222222222222")
	f.Add(" dcr@prod."+marker, "p", marker)
	f.Add(strings.Repeat("é ", 100), strings.Repeat("-", 32), marker)
	f.Add("\xff dcr\uFF20prod", "0", marker)
	f.Fuzz(func(t *testing.T, clientName, deployment, id string) {
		if checkDeployment(deployment) != nil || checkMarker(id) != nil {
			t.Skip()
		}
		name := appClientName(clientName, deployment, id)
		if !safeName.MatchString(name) || !utf8.ValidString(name) {
			t.Errorf("appClientName(%q, %q, %q) = %q, which Cognito may not take", clientName, deployment, id, name)
		}
		gotDeployment, gotID, ok := parseMarker(name)
		if !ok || gotDeployment != deployment || gotID != id {
			t.Errorf("parseMarker(%q) = %q, %q, %t, want %q, %q", name, gotDeployment, gotID, ok, deployment, id)
		}
		if strings.Count(name, "@") != 1 {
			t.Errorf("appClientName(%q, %q, %q) = %q, want only the broker's at sign", clientName, deployment, id, name)
		}
	})
}

func FuzzParseMarker(f *testing.F) {
	f.Add("x dcr@prod." + marker)
	f.Add("x dcr@dep.abc dcr@prod." + marker)
	f.Add("dcr@")
	f.Fuzz(func(t *testing.T, name string) {
		deployment, id, ok := parseMarker(name)
		if ok && !strings.HasSuffix(name, " dcr@"+deployment+"."+id) {
			t.Errorf("parseMarker(%q) = %q, %q, which is not the end of the name", name, deployment, id)
		}
		if !ok && (deployment != "" || id != "") {
			t.Errorf("parseMarker(%q) = %q, %q without being ok", name, deployment, id)
		}
	})
}
