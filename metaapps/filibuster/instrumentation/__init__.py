"""Drop-ins under the original's names: porting a service is a change of import."""
