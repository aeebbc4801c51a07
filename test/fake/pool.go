package fake

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Pool is a user pool in memory, with faults. It implements the ports of
// direct, janitor and provision. A call that fails before its effect does not
// return a NotAppliedError: as with a broken connection, the caller does not
// know whether it was applied. The same is true of a call whose context is
// done.
type Pool struct {
	*Faults

	mu      sync.Mutex
	made    int
	styles  int // limit of branding styles, -1 is none
	clients map[string]AppClient
}

// AppClient is an app client of a Pool.
type AppClient struct {
	Marker   string
	Secret   string
	Metadata dcr.ClientMetadata
	// Brokered is the specification in brokered mode, nil in direct mode.
	Brokered *broker.BrokeredAppClient
	Branded  bool
}

var (
	_ direct.Pool              = (*Pool)(nil)
	_ janitor.Pool             = (*Pool)(nil)
	_ provision.Pool           = (*Pool)(nil)
	_ provision.MaintainedPool = (*Pool)(nil)
	_ direct.AdoptionPool      = (*Pool)(nil)
)

// NewPool returns an empty pool.
func NewPool() *Pool {
	return &Pool{
		Faults:  NewFaults("Create", "Update", "Delete", "Exists", "List", "Foreign", "Adopt", "CreateBrokered", "UpdateBrokered", "Brand"),
		styles:  -1,
		clients: make(map[string]AppClient),
	}
}

// All returns the app clients by id.
func (a *Pool) All() map[string]AppClient {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.clients)
}

// Create implements direct.Pool.
func (a *Pool) Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error) {
	return a.create(ctx, "Create", m.TokenEndpointAuthMethod != dcr.AuthNone, AppClient{Marker: marker, Metadata: m.Clone()})
}

// CreateBrokered implements provision.Pool.
func (a *Pool) CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error) {
	return a.create(ctx, "CreateBrokered", true, AppClient{Marker: marker, Brokered: cloneSpec(spec)})
}

// create adds c, with a new id and, if it has one, a new secret.
func (a *Pool) create(ctx context.Context, method string, hasSecret bool, c AppClient) (broker.NewAppClient, error) {
	return result(a.Faults, method, func() (made broker.NewAppClient, err error) {
		err = a.locked(ctx, func() error {
			a.made++
			if hasSecret {
				c.Secret = fmt.Sprintf("secret%d", a.made)
			}
			made = broker.NewAppClient{ID: fmt.Sprintf("appclient%d", a.made), Secret: c.Secret}
			a.clients[made.ID] = c
			return nil
		})
		return made, err
	})
}

// locked runs f with a.mu held, unless ctx is done.
func (a *Pool) locked(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return f()
}

// change stores the app client as f changes it. If f returns an error, or no
// app client has the id, nothing is stored.
func (a *Pool) change(ctx context.Context, method, id string, f func(c *AppClient) error) error {
	return a.Do(method, func() error {
		return a.locked(ctx, func() error {
			c, ok := a.clients[id]
			if !ok {
				return &broker.NotAppliedError{Err: broker.ErrNotFound}
			}
			if err := f(&c); err != nil {
				return &broker.NotAppliedError{Err: err}
			}
			a.clients[id] = c
			return nil
		})
	})
}

// Brand implements provision.Pool.
func (a *Pool) Brand(ctx context.Context, id string) error {
	return a.change(ctx, "Brand", id, func(c *AppClient) error {
		if !c.Branded && a.styles >= 0 && a.branded() >= a.styles {
			return broker.ErrBrandingLimit
		}
		c.Branded = true
		return nil
	})
}

// branded counts the branding styles. The caller holds a.mu.
func (a *Pool) branded() int {
	n := 0
	for _, c := range a.clients {
		if c.Branded {
			n++
		}
	}
	return n
}

// LimitStyles sets how many branding styles the pool can have.
func (a *Pool) LimitStyles(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.styles = n
}

// UpdateBrokered implements provision.MaintainedPool.
func (a *Pool) UpdateBrokered(ctx context.Context, id, marker string, spec broker.BrokeredAppClient) error {
	return a.change(ctx, "UpdateBrokered", id, func(c *AppClient) error {
		if c.Marker != marker {
			return broker.ErrNotFound
		}
		c.Brokered = cloneSpec(spec)
		return nil
	})
}

func cloneSpec(spec broker.BrokeredAppClient) *broker.BrokeredAppClient {
	spec.Scopes = slices.Clone(spec.Scopes)
	return &spec
}

// Update implements direct.Pool.
func (a *Pool) Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(string) error) error {
	return a.change(ctx, "Update", id, func(c *AppClient) error {
		if c.Marker != marker {
			return broker.ErrNotFound
		}
		if check != nil {
			if err := check(c.Secret); err != nil {
				return err
			}
		}
		c.Metadata = m.Clone()
		return nil
	})
}

// Delete implements direct.Pool.
func (a *Pool) Delete(ctx context.Context, id, marker string) error {
	return a.Do("Delete", func() error {
		return a.locked(ctx, func() error {
			if a.clients[id].Marker == marker {
				delete(a.clients, id)
			}
			return nil
		})
	})
}

// Exists implements janitor.Pool.
func (a *Pool) Exists(ctx context.Context, id string) (bool, error) {
	return result(a.Faults, "Exists", func() (bool, error) {
		_, ok := a.All()[id]
		return ok, ctx.Err()
	})
}

// Put stores an app client without the broker, as an operator does.
func (a *Pool) Put(id string, c AppClient) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients[id] = c
}

// Drop deletes an app client without the broker.
func (a *Pool) Drop(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.clients, id)
}

// Foreign implements direct.AdoptionPool.
func (a *Pool) Foreign(ctx context.Context, id string) (*broker.ForeignAppClient, error) {
	return result(a.Faults, "Foreign", func() (*broker.ForeignAppClient, error) {
		c, ok := a.All()[id]
		if !ok {
			return nil, broker.ErrNotFound
		}
		f := &broker.ForeignAppClient{ID: id, Name: c.Metadata.ClientName, Metadata: c.Metadata}
		if c.Marker != "" {
			f.Refused = "it carries a mark"
		}
		return f, ctx.Err()
	})
}

// Adopt implements direct.AdoptionPool.
func (a *Pool) Adopt(ctx context.Context, id, marker string) error {
	return a.change(ctx, "Adopt", id, func(c *AppClient) error {
		if c.Marker != "" && c.Marker != marker {
			return broker.ErrNotFound
		}
		c.Marker = marker
		return nil
	})
}

// List implements janitor.Pool.
func (a *Pool) List(ctx context.Context) iter.Seq2[broker.ListedAppClient, error] {
	return func(yield func(broker.ListedAppClient, error) bool) {
		for id, c := range a.All() {
			if c.Marker == "" {
				continue // not an app client of the broker
			}
			if !yield(broker.ListedAppClient{ID: id, Marker: c.Marker}, nil) {
				return
			}
		}
		if err := a.Do("List", ctx.Err); err != nil {
			yield(broker.ListedAppClient{}, err)
		}
	}
}
