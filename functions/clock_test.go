package functions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// clockVariable names the file from which a function of this test reads how many
// seconds its clock is ahead.
const clockVariable = "CLOCK_AHEAD_FILE"

// movable changes the source of package clock in builds for tests only: the
// functions that AWS runs have no clock that can be set.
var movable = []struct{ source, replacement string }{
	{"import \"time\"\n", "import (\n\"os\"\n\"strconv\"\n\"time\"\n)\n"},
	{"func Now() time.Time { return time.Now().Round(0) }\n", `
func Now() time.Time {
	text, err := os.ReadFile(os.Getenv("` + clockVariable + `"))
	if err != nil {
		panic(err)
	}
	ahead, err := strconv.Atoi(string(text))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(time.Duration(ahead) * time.Second).Round(0)
}
`},
}

// timeless builds the functions with a movable clock once, and returns their
// directory.
var timeless = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(built, "timeless")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	source, err := filepath.Abs(filepath.Join("..", "pkg", "clock", "clock.go"))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	for _, m := range movable {
		if !bytes.Contains(text, []byte(m.source)) {
			return "", fmt.Errorf("%s has no %q: change clock_test.go", source, m.source)
		}
		text = bytes.Replace(text, []byte(m.source), []byte(m.replacement), 1)
	}
	clock, overlay := filepath.Join(dir, "clock.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: clock}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(clock, text, 0o644), os.WriteFile(overlay, replace, 0o644)); err != nil {
		return "", err
	}
	for _, name := range functionNames {
		out := filepath.Join(dir, runtime.GOARCH, name, "bootstrap")
		cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-overlay", overlay, "-o", out, "./functions/"+name)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, b)
		}
	}
	return dir, nil
})

// moveClock gives the functions that w starts later a clock that the test can set
// forward. The clocks of the test, the table and the user pool stay.
func (w *world) moveClock() {
	w.t.Helper()
	w.env[clockVariable] = filepath.Join(w.t.TempDir(), "ahead")
	w.later(0)
}

// later sets the clock of the functions forward. They see the new time at once.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.ahead += d
	// A function may read the file meanwhile, so it is replaced, not written.
	file := w.env[clockVariable]
	must.WriteFile(w.t, file+".next", []byte(strconv.Itoa(int(w.ahead/time.Second))))
	if err := os.Rename(file+".next", file); err != nil {
		w.t.Fatal(err)
	}
}
