from components.config.source import decode


def test_the_engines_strings_become_the_types_that_the_user_wrote() -> None:
    bag = {
        "k3s-registry:port": "5001",
        "k3s-registry:systemTrust": "false",
        "k3s-registry:nodes": '{"cube01": {"port": 22}}',
        "k3s-registry:audit": "2026",
        "kubernetes:context": "other",
    }
    assert decode(bag, "k3s-registry:") == {
        "port": 5001,
        "systemTrust": False,
        "nodes": {"cube01": {"port": 22}},
        "audit": "2026",
    }
