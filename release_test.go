package dcrbroker

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

var (
	release  = regexp.MustCompile(`^v(\d+)\.(\d+)\.(\d+)$`)
	required = regexp.MustCompile(`(?m)^\tgithub\.com/dcr-broker/dcr-broker (v\S+)`)
)

// A program that imports the construct gets the version of the broker that the
// construct's go.mod requires: the replace directive works in this repository
// only.
func TestTheConstructRequiresTheLatestRelease(t *testing.T) {
	b := must.ReadFile(t, "infra/cdk/go.mod")
	m := required.FindSubmatch(b)
	if m == nil || !release.Match(m[1]) {
		t.Fatalf("infra/cdk/go.mod requires %q of the broker, want a release", m)
	}
	if _, err := os.Stat(".git"); err != nil {
		return // an archive of the source has no tags
	}
	tags, err := exec.Command("git", "tag", "--list", "v*").Output()
	if err != nil {
		t.Fatal(err)
	}
	if fault := olderThanTags(string(m[1]), strings.Fields(string(tags))); fault != "" {
		t.Error(fault)
	}
}

func TestOlderThanTags(t *testing.T) {
	tags := []string{"v0.9.0", "v0.10.1", "v0.11.0-rc.1", "other"}
	for version, older := range map[string]bool{"v0.9.0": true, "v0.10.0": true, "v0.10.1": false, "v1.0.0": false} {
		if got := olderThanTags(version, tags); (got != "") != older {
			t.Errorf("%s beside %q: %q, want older: %t", version, tags, got, older)
		}
	}
}

func olderThanTags(version string, tags []string) string {
	for _, tag := range tags {
		if release.MatchString(tag) && slices.Compare(numbers(version), numbers(tag)) < 0 {
			return "infra/cdk/go.mod requires the broker at " + version + ", which is older than " + tag
		}
	}
	return ""
}

func numbers(version string) []int {
	var n []int
	for _, s := range release.FindStringSubmatch(version)[1:] {
		i, _ := strconv.Atoi(s)
		n = append(n, i)
	}
	return n
}
