package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/linshao/linshao/cloud/internal/config"
)

func (c *cloud) startHTTP(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("/", c.console)
	mux.Handle("GET /metrics", c.meter.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { c.health(w, r, false) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { c.health(w, r, true) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug)}
	server.RegisterOnShutdown(c.console.EndStreams) // they stay open for hours
	ln, err := c.listen(ctx, "tcp", c.cfg.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	if err := c.serve(ctx, "http", server, ln); err != nil || c.cfg.HTTP.TLS == nil {
		return err
	}
	conf, err := serverTLS(*c.cfg.HTTP.TLS)
	if err != nil {
		return err
	}
	ln, err = tls.Listen("tcp", c.cfg.HTTP.TLS.Listen, conf)
	if err != nil {
		return fmt.Errorf("listen for HTTPS: %w", err)
	}
	return c.serve(ctx, "https", server, ln)
}

// grace is how long requests may take to finish when the collector stops.
const grace = 3 * time.Second

// serve answers on ln until the group stops. Requests then end before the
// parts that they work with do: a tap on 接单 is not cut off half-way.
func (c *cloud) serve(ctx context.Context, name string, server *http.Server, ln net.Listener) error {
	return c.group.Go(ctx, name, func(ctx context.Context) error {
		finished := make(chan struct{})
		unasked := context.AfterFunc(ctx, func() {
			defer close(finished)
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer cancel()
			if server.Shutdown(bounded) != nil {
				_ = server.Close() // whoever still asks had their time
			}
		})
		err := server.Serve(ln)
		if !unasked() {
			<-finished
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
}

func serverTLS(t config.TLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// health says whether the collector does its job: ready is whether tickets and
// pages work; series come later by themselves.
func (c *cloud) health(w http.ResponseWriter, r *http.Request, ready bool) {
	err := c.store.Ping(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprint(w, `{"status":"database does not answer"}`)
		return
	}
	status := "ok"
	if !c.standby.Ready() {
		status = "series not open yet"
		if ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	_, _ = fmt.Fprintf(w, `{"status":%q}`, status)
}
