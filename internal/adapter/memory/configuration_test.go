package memory_test

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/contract"
)

func TestConfigurationStore(t *testing.T) {
	t.Run("each write sent once", func(t *testing.T) {
		contract.TestConfigurationStore(t, func(*testing.T) configuration.Store { return memory.NewStore(nil).Configuration() })
	})
	t.Run("each write sent twice", func(t *testing.T) {
		contract.TestConfigurationStore(t, func(t *testing.T) configuration.Store { return openTwice(t, time.Now).Configuration() })
	})
}

func TestConfigurationFaults(t *testing.T) {
	contract.TestConfigurationFaults(t, func(_ *testing.T, f *contract.Fault) configuration.Store {
		return memory.NewStore(nil).Hooked(f.Do).Configuration()
	})
}
