package functions

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// operatorTool builds dcrctl once, and returns its path.
var operatorTool = sync.OnceValues(func() (string, error) {
	out := filepath.Join(built, "dcrctl")
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./cmd/dcrctl")
	cmd.Dir = ".."
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, b)
	}
	return out, nil
})

// dcrctl runs dcrctl as an operator of the deployment. It returns the output with
// the messages, and whether the exit code was 0.
func (w *world) dcrctl(args ...string) (output string, ok bool) {
	w.t.Helper()
	tool, err := operatorTool()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), tool, args...)
	cmd.Dir = w.t.TempDir()
	cmd.Env = []string{
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_ENDPOINT_URL_STS=" + w.env["DYNAMODB_ENDPOINT"], // which has STS too
	}
	for name, value := range w.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		w.t.Fatal(err)
	}
	return string(out), err == nil
}
