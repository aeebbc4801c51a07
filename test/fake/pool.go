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

// Pool is a user pool in memory that fails when a test says so. It implements the
// ports of direct, janitor and provision. A call that fails before its effect does
// not say so: like a broken connection, it leaves the caller in doubt. So does a
// call whose context has ended.
type Pool struct {
	*Faults

	mu      sync.Mutex
	made    int
	styles  int // how many branding styles there may be, -1 is any number
	clients map[string]AppClient
}

// AppClient is an app client as Pool keeps it.
type AppClient struct {
	Marker   string
	Secret   string
	Metadata dcr.ClientMetadata
	// Brokered is what was asked for in brokered mode, nil in direct mode.
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

// All returns the app clients there are, by id.
func (a *Pool) All() map[string]AppClient {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.clients)
}

// Create implements direct.Pool.
func (a *Pool) Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error) {
	return result(a.Faults, "Create", func() (broker.NewAppClient, error) {
		if err := ctx.Err(); err != nil {
			return broker.NewAppClient{}, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.made++
		id := fmt.Sprintf("appclient%d", a.made)
		c := AppClient{Marker: marker, Metadata: m.Clone()}
		if m.TokenEndpointAuthMethod != dcr.AuthNone {
			c.Secret = fmt.Sprintf("secret%d", a.made)
		}
		a.clients[id] = c
		return broker.NewAppClient{ID: id, Secret: c.Secret}, nil
	})
}

// CreateBrokered implements provision.Pool.
func (a *Pool) CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error) {
	return result(a.Faults, "CreateBrokered", func() (broker.NewAppClient, error) {
		if err := ctx.Err(); err != nil {
			return broker.NewAppClient{}, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.made++
		id := fmt.Sprintf("appclient%d", a.made)
		c := AppClient{Marker: marker, Secret: fmt.Sprintf("secret%d", a.made), Brokered: cloneSpec(spec)}
		a.clients[id] = c
		return broker.NewAppClient{ID: id, Secret: c.Secret}, nil
	})
}

// Brand implements provision.Pool.
func (a *Pool) Brand(ctx context.Context, id string) error {
	return a.Do("Brand", func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		c, ok := a.clients[id]
		if !ok {
			return &broker.NotAppliedError{Err: broker.ErrNotFound}
		}
		if !c.Branded && a.styles >= 0 && a.branded() >= a.styles {
			return &broker.NotAppliedError{Err: broker.ErrBrandingLimit}
		}
		c.Branded = true
		a.clients[id] = c
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

// LimitStyles says how many branding styles the pool can have.
func (a *Pool) LimitStyles(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.styles = n
}

// UpdateBrokered implements provision.MaintainedPool.
func (a *Pool) UpdateBrokered(ctx context.Context, id, marker string, spec broker.BrokeredAppClient) error {
	return a.Do("UpdateBrokered", func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		c, ok := a.clients[id]
		if !ok || c.Marker != marker {
			return &broker.NotAppliedError{Err: broker.ErrNotFound}
		}
		c.Brokered = cloneSpec(spec)
		a.clients[id] = c
		return nil
	})
}

func cloneSpec(spec broker.BrokeredAppClient) *broker.BrokeredAppClient {
	spec.Scopes = slices.Clone(spec.Scopes)
	return &spec
}

// Update implements direct.Pool.
func (a *Pool) Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(string) error) error {
	return a.Do("Update", func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		c, ok := a.clients[id]
		if !ok || c.Marker != marker {
			return &broker.NotAppliedError{Err: broker.ErrNotFound}
		}
		if check != nil {
			if err := check(c.Secret); err != nil {
				return &broker.NotAppliedError{Err: err}
			}
		}
		c.Metadata = m.Clone()
		a.clients[id] = c
		return nil
	})
}

// Delete implements direct.Pool.
func (a *Pool) Delete(ctx context.Context, id, marker string) error {
	return a.Do("Delete", func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if c, ok := a.clients[id]; ok && c.Marker == marker {
			delete(a.clients, id)
		}
		return nil
	})
}

// Exists implements janitor.Pool.
func (a *Pool) Exists(ctx context.Context, id string) (bool, error) {
	return result(a.Faults, "Exists", func() (bool, error) {
		_, ok := a.All()[id]
		return ok, ctx.Err()
	})
}

// Put makes an app client by hand, as somebody does who is not the broker.
func (a *Pool) Put(id string, c AppClient) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients[id] = c
}

// Drop deletes an app client by hand.
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
	return a.Do("Adopt", func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		c, ok := a.clients[id]
		if !ok || c.Marker != "" && c.Marker != marker {
			return &broker.NotAppliedError{Err: broker.ErrNotFound}
		}
		c.Marker = marker
		a.clients[id] = c
		return nil
	})
}

// List implements janitor.Pool.
func (a *Pool) List(ctx context.Context) iter.Seq2[broker.ListedAppClient, error] {
	return func(yield func(broker.ListedAppClient, error) bool) {
		for id, c := range a.All() {
			if c.Marker == "" {
				continue // somebody else's
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
