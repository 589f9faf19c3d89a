package app

import (
	"context"
	"io/fs"
	"net/http"
	"time"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/cloud/internal/series/victoria"
	"github.com/linshao/linshao/cloud/web"
)

// seriesOpener picks the backend.
func (c *cloud) seriesOpener() func(context.Context) (series.Store, error) {
	log := c.log.With("component", "series")
	if c.cfg.Series.Backend == config.VictoriaBackend {
		return func(ctx context.Context) (series.Store, error) {
			return opened(victoria.Open(ctx, victoria.Options{
				URL: c.cfg.Series.VictoriaMetrics.URL, HTTP: &http.Client{Timeout: 30 * time.Second}, Now: c.o.Clock.Now, Log: log,
			}))
		}
	}
	return func(ctx context.Context) (series.Store, error) {
		return opened(embedded.Open(ctx, embedded.Options{
			Dir: c.dir.Path("series"), Retention: time.Duration(c.cfg.Series.Retention), Now: c.o.Clock.Now, Log: log,
			SegmentBytes: c.o.SeriesSegmentBytes, Reserve: embedded.Reserve,
		}))
	}
}

// opened keeps a nil *T from becoming a Store that is not nil.
func opened[T series.Store](s T, err error) (series.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// builtConsole is the console, or nil in a binary built without it.
func builtConsole() fs.FS {
	if !web.Built() {
		return nil
	}
	return web.Files()
}

// linkLife is how long a page's link works: a shift, and some.
const linkLife = 24 * time.Hour

// ackURL makes the link that a page carries: good for one person, one ticket.
func (c *cloud) ackURL(ctx context.Context, d routing.Delivery) (string, error) {
	secret := access.NewSecret("lsl_")
	err := c.store.InTx(ctx, func(tx *db.Tx) error {
		return tx.AddLink(ctx, access.Link{
			Hash: access.HashSecret(secret), Estate: d.Estate, Ticket: string(d.Ticket), Staff: d.Staff, Delivery: d.ID,
			ExpiresMS: tx.NowMS() + linkLife.Milliseconds(),
		})
	})
	return c.cfg.HTTP.PublicURL + "/a/" + secret, err
}
