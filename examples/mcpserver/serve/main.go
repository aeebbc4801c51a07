// Command serve runs the example MCP server on a port. It listens on PORT
// (default: 8090) at HOST (default: localhost). mcpserver.FromEnv reads the
// rest of its environment.
//
// It serves plain HTTP; put a server with TLS in front of it.
package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/dcr-broker/dcr-broker/examples/mcpserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "localhost"), cmp.Or(os.Getenv("PORT"), "8090")))
	if err == nil {
		err = serve(ctx, l, os.Getenv, log)
	}
	if err != nil {
		log.Error("serve", "error", err)
		os.Exit(1)
	}
}

// serve answers on l until ctx ends.
func serve(ctx context.Context, l net.Listener, getenv func(string) string, log *slog.Logger) error {
	defer l.Close()
	cfg, err := mcpserver.FromEnv(getenv)
	if err != nil {
		return err
	}
	cfg.Log = log
	h, err := mcpserver.New(cfg)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		done <- srv.Shutdown(grace)
	}()
	log.Info("serving", "address", l.Addr().String(), "resource", cfg.Resource)
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}
