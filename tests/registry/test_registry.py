from components.config.parse import parse
from components.config.storage import AccessMode, Storage
from components.registry.pod import affinity, environment, strategy
from components.registry.registry import registry_revision
from components.registry.secret_data import http_secret
from tests.config.stack_configs import SMALLEST


def test_another_object_of_the_same_inputs_is_another_registry() -> None:
    config = parse(SMALLEST)
    assert registry_revision(config, ["a", "b"]) == registry_revision(config, ["a", "b"])
    assert len({registry_revision(config, uids) for uids in (["a", "b"], ["c", "b"], ["a", "c"], [None, "b"])}) == 4


def test_the_http_secret_is_stable_and_is_not_the_key() -> None:
    assert http_secret("key") == http_secret("key")
    assert "key" not in http_secret("key")


def test_only_a_claim_for_one_pod_is_rolled_out_with_a_gap() -> None:
    assert strategy(Storage(access_mode=AccessMode.READ_WRITE_ONCE_POD)).type == "Recreate"
    assert strategy(Storage()).type == "RollingUpdate"


def test_only_a_claim_of_one_node_ties_pods_to_each_other() -> None:
    assert affinity(Storage()) is not None
    assert affinity(Storage(access_mode=AccessMode.READ_WRITE_MANY)) is None


def test_clients_may_delete_unless_the_stack_says_otherwise() -> None:
    def deletion(storage: Storage) -> object:
        return {variable.name: variable.value for variable in environment(storage)}["REGISTRY_STORAGE_DELETE_ENABLED"]

    assert deletion(Storage()) == "true"
    assert deletion(Storage(delete=False)) == "false"
